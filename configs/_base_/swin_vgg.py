# The canonical encoders: Swin-B for semantics and for the nodes of the graph, Gram matrices of VGG-16 for style.
_norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])

encoders = dict(
    semantic=dict(
        type='GlobalFeature',
        backbone=dict(type='mmpretrain.SwinTransformer', arch='base', img_size=224),
        weights='https://download.openmmlab.com/mmclassification/v0/swin-transformer/convert/'
        'swin_base_patch4_window7_224_22kto1k-f967f799.pth',
        preprocess=dict(size=224, policy='crop', **_norm),
    ),
    style=dict(
        type='GramStyle',
        # conv4_3, before its pooling
        backbone=dict(
            type='mmpretrain.VGG', depth=16, num_stages=4, dilations=(1, 1, 1, 1), out_indices=(3,), with_last_pool=False
        ),
        weights='https://download.openmmlab.com/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth',
        preprocess=dict(size=224, policy='crop', **_norm),
        dim=2048,
    ),
)
retriever = dict(
    type='FusionRetriever',
    parts=[dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')],
    weights=[0.5, 0.5],
    num_references=50,
)
graph = dict(view='semantic', num_references=4)
