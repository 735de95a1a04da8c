# SSMR on TAD66K, with the recipe of ssmr_swin_baid.py.
#
#   python tools/train.py configs/ssmr_swin_tad66k.py --cfg-options table.root=data/tad66k
#   python tools/test.py  configs/ssmr_swin_tad66k.py work_dirs/ssmr_swin_tad66k/best.pth --cfg-options table.root=data/tad66k
#
# Needs: TAD66K (python tools/prepare_data.py tad66k --root data/tad66k says what to get); the weights of Swin-B (350 MB)
#   and VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 66,327 works once, the references in about a minute, then 20 epochs; best.pth is chosen on a
#   twentieth of the training works. The recipe is BAID's and what it scores here is not verified.
_base_ = ['_base_/datasets/tad66k.py', '_base_/swin_vgg.py', '_base_/default_runtime.py']

model = dict(
    type='MultiReferenceAssessor',
    in_dim=1024,
    reasoner=dict(type='RelationGCN', dim=1024, depth=6, variant='ssmr', readout='flatten'),
    head=dict(type='ScoreHead', loss='smooth_l1'),
)
train_dataloader = dict(batch_size=128)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=3e-5))
param_scheduler = [dict(type='StepLR', by_epoch=True, step_size=3, gamma=0.1)]
