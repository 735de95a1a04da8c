# SSMR on BAID with ConvNeXt-B in the place of Swin-B.
#
#   python tools/train.py configs/ssmr_convnext_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_convnext_baid.py work_dirs/ssmr_convnext_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID in its authors' layout; the weights of ConvNeXt-B (350 MB) and VGG-16 (550 MB), downloaded at the first run, or --weights.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

encoders = dict(
    semantic=dict(
        backbone=dict(_delete_=True, type='mmpretrain.ConvNeXt', arch='base'),
        weights='https://download.openmmlab.com/mmclassification/v0/convnext/'
        'convnext-base_in21k-pre-3rdparty_32xb128_in1k_20220124-eb2d6ada.pth',
    )
)
