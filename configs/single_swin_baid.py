# The single-image baseline on BAID: Swin-B fine-tuned on the scores, no references. Its checkpoint also gives SSMR node
# features that are tuned to the task: --weights semantic=work_dirs/single_swin_baid/best.pth with ssmr_swin_baid.py.
#
#   python tools/train.py configs/single_swin_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/single_swin_baid.py work_dirs/single_swin_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID and the weights of Swin-B (350 MB); a GPU. Features and references are made too, for the baselines beside it.
# Expect: hours on one GPU (not run here); what it scores on BAID is not verified.
_base_ = ['ssmr_swin_baid.py']

retriever = dict(_delete_=True, type='CosineRetriever', view='semantic', num_references=50)
model = dict(
    _delete_=True,
    type='SingleImageAssessor',
    backbone=dict(type='mmpretrain.SwinTransformer', arch='base', img_size=224, drop_path_rate=0.2),
    weights={{_base_.encoders.semantic.weights}},
    preprocess=dict(size=224),
    augmentation=dict(flip=0.5, min_area=0.8),
    head=dict(type='ScoreHead', loss='smooth_l1'),
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(
    _delete_=True,
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1)}),
)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=10, convert_to_iter_based=True)]
