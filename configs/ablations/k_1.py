# 1 reference in the graph instead of four.
#
#   python tools/train.py configs/ablations/k_1.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/k_1.py work_dirs/k_1/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

graph = dict(num_references=1)
