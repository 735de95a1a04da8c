# 4 relation layers instead of six.
#
#   python tools/train.py configs/ablations/depth_4.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/depth_4.py work_dirs/depth_4/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reasoner=dict(depth=4))
