# A small network and schedule for hundreds to a few thousand works with EfficientNet-Lite0 nodes.
model = dict(
    type='MultiReferenceAssessor',
    in_dim=1280,
    reasoner=dict(type='RelationGCN', dim=256, depth=1, variant='vsrn', readout='mean', dropout=0.5),
    head=dict(type='ScoreHead', loss='smooth_l1'),
    reference_scores='embed',  # beyond the published SSMR, whose graph never sees a label
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.5))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=20, convert_to_iter_based=True)]
