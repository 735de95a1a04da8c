# The released SSMR code's behaviour as far as it is known: references by Euclidean distance over one ResNet-50 vector, Swin V2
# nodes, its target constants (2.75695 is the minimum of a superseded label release), Adam made afresh every three epochs,
# 26.3 million parameters. Not repeated: the query itself is excluded by id and not by position, and batch statistics do
# not learn from the validation works. Its validation metrics come from a sigmoid that its loss does not have:
# model.head.sigmoid=True does the same (rank metrics, by which the epoch is chosen, do not change). Its node features
# were apparently fine-tuned on BAID first; --weights node=PATH takes such weights.
#
#   python tools/train.py configs/ssmr_legacy_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_legacy_baid.py work_dirs/ssmr_legacy_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID in its authors' layout; the weights of ResNet-50 (100 MB) and SwinV2-B (350 MB), downloaded at the first run, or --weights.
# Expect: what configs/ssmr_swin_baid.py does; its scores on BAID are not verified.
_base_ = ['ssmr_swin_baid.py']

_norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
encoders = dict(
    _delete_=True,
    retrieval=dict(
        type='GlobalFeature',
        backbone=dict(type='mmpretrain.ResNet', depth=50),
        weights='https://download.openmmlab.com/mmclassification/v0/resnet/resnet50_8xb32_in1k_20210831-ea4938fc.pth',
        preprocess=dict(size=224, **_norm),
    ),
    node=dict(
        type='GlobalFeature',
        backbone=dict(type='mmpretrain.SwinTransformerV2', arch='base', img_size=256),
        weights='https://download.openmmlab.com/mmclassification/v0/swin-v2/'
        'swinv2-base-w8_3rdparty_in1k-256px_20220803-8ff28f2b.pth',
        preprocess=dict(size=256, **_norm),
    ),
)
retriever = dict(_delete_=True, type='EuclideanRetriever', view='retrieval', num_references=50)
graph = dict(view='node', num_references=4)
model = dict(head=dict(target_range=(2.75695, 10.0)))
custom_hooks = [dict(type='FreshOptimizerHook', interval=3)]
