# SSMR on BAID with Swin Transformer V2, the node encoder of the released code (there apparently fine-tuned on BAID).
#
#   python tools/train.py configs/ssmr_swinv2_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swinv2_baid.py work_dirs/ssmr_swinv2_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID in its authors' layout; the weights of SwinV2-B (350 MB) and VGG-16 (550 MB), downloaded at the first run, or --weights.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

encoders = dict(
    semantic=dict(
        backbone=dict(_delete_=True, type='mmpretrain.SwinTransformerV2', arch='base', img_size=256),
        weights='https://download.openmmlab.com/mmclassification/v0/swin-v2/'
        'swinv2-base-w8_3rdparty_in1k-256px_20220803-8ff28f2b.pth',
        preprocess=dict(size=256),
    )
)
