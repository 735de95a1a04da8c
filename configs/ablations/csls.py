# Hub control: similarities less the density around the reference (CSLS).
#
#   python tools/train.py configs/ablations/csls.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/csls.py work_dirs/csls/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(
    _delete_=True,
    type='CSLSRetriever',
    retriever=dict(type='FusionRetriever', weights=[0.5, 0.5], parts=[dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')]),
    num_references=50,
)
