# Label-aware: the network predicts the difference from the mean label of its references.
#
#   python tools/train.py configs/ablations/labels_residual.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/labels_residual.py work_dirs/labels_residual/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reference_scores='residual')
