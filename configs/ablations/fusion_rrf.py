# Fusion of the two views by reciprocal ranks.
#
#   python tools/train.py configs/ablations/fusion_rrf.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/fusion_rrf.py work_dirs/fusion_rrf/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(
    _delete_=True,
    type='ReciprocalRankFusion',
    parts=[dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')],
    num_references=50,
)
