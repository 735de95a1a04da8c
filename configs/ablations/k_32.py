# 32 references in the graph instead of four, read out by their mean: flattened nodes would make a head of their number.
#
#   python tools/train.py configs/ablations/k_32.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/k_32.py work_dirs/k_32/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

graph = dict(num_references=32)
model = dict(reasoner=dict(readout='mean'))
