# Fusion with four fifths of the weight on semantics.
#
#   python tools/train.py configs/ablations/fusion_mostly_semantic.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/fusion_mostly_semantic.py work_dirs/fusion_mostly_semantic/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(weights=[0.8, 0.2])
