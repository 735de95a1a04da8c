# Fusion with four fifths of the weight on style.
#
#   python tools/train.py configs/ablations/fusion_mostly_style.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/fusion_mostly_style.py work_dirs/fusion_mostly_style/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

retriever = dict(weights=[0.2, 0.8])
