# Fusion in two stages: the 200 nearest by semantics, ordered by style.
#
#   python tools/train.py configs/ablations/fusion_two_stage.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/fusion_two_stage.py work_dirs/fusion_two_stage/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(
    _delete_=True,
    type='TwoStageRetriever',
    parts=[dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')],
    candidates=200,
    num_references=50,
)
