# Label-aware: for every reference its label and a predicted difference, averaged.
#
#   python tools/train.py configs/ablations/pairwise.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/pairwise.py work_dirs/pairwise/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reasoner=dict(readout='pairs'), head=dict(_delete_=True, type='PairwiseHead'))
