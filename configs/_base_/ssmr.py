# The network and the training of SSMR as published: six relation layers of width 1024 over the query and its four nearest
# references, flattened; 26.3 million parameters.
model = dict(
    type='MultiReferenceAssessor',
    in_dim=1024,
    reasoner=dict(type='RelationGCN', dim=1024, depth=6, variant='ssmr', readout='flatten'),
    head=dict(type='ScoreHead', loss='smooth_l1'),
)
train_dataloader = dict(batch_size=128)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=3e-5, fused=True))  # fused: one pass over the weights
# The released code divides the rate by ten every three epochs (and loses Adam's moments, which is a defect).
param_scheduler = [dict(type='StepLR', by_epoch=True, step_size=3, gamma=0.1)]
