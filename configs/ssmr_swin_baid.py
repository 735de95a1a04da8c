# SSMR as published, on BAID: Swin-B nodes, references close in semantics and in style, six relation layers of width
# 1024 over the query and its four nearest references, flattened; 26.3 million parameters.
#
#   python tools/train.py configs/ssmr_swin_baid.py --cfg-options table.root=data/baid
#   python tools/test.py  configs/ssmr_swin_baid.py work_dirs/ssmr_swin_baid/best.pth --cfg-options table.root=data/baid
#
# Needs: BAID in its authors' layout (images/<id>.jpg, dataset/{train,val,test}_set.csv); the weights of Swin-B (350 MB)
#   and VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 60,337 works once, the references in about a minute, then 20 epochs. What it scores on BAID is
#   not verified: the paper's tables are not known to us. Differences from the released code are in docs/concepts.md.
_base_ = ['_base_/datasets/baid.py', '_base_/swin_vgg.py', '_base_/default_runtime.py']

model = dict(
    type='MultiReferenceAssessor',
    in_dim=1024,
    reasoner=dict(type='RelationGCN', dim=1024, depth=6, variant='ssmr', readout='flatten'),
    head=dict(type='ScoreHead', loss='smooth_l1'),
)
train_dataloader = dict(batch_size=128)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=3e-5))
# The released code divides the rate by ten every three epochs (and loses Adam's moments, which is a defect).
param_scheduler = [dict(type='StepLR', by_epoch=True, step_size=3, gamma=0.1)]
