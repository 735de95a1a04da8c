# What every run shares: logging, checkpoints, the random seed.
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='srcc', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [dict(type='EarlyStoppingHook', monitor='srcc', rule='greater', patience=10, min_delta=0.0)]
randomness = dict(seed=0)
log_level = 'INFO'
extraction = dict(batch_size=32, shard_size=1024, max_bad_fraction=0.01)
evaluation = dict(bootstrap=1000, seed=0)
