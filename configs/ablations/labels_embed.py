# Label-aware: each reference's node also carries its label.
#
#   python tools/train.py configs/ablations/labels_embed.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ablations/labels_embed.py work_dirs/labels_embed/best.pth --cfg-options table.root=data/baid
#
# Needs: what configs/ssmr_swin_baid.py needs.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['../ssmr_swin_baid.py']

model = dict(reference_scores='embed')
