# SSMR on VAPS: the encoders of ssmr_swin_baid.py and a small network, for 999 works.
#
#   python tools/train.py configs/ssmr_swin_vaps.py --cfg-options table.root=data/vaps
#   python tools/test.py  configs/ssmr_swin_vaps.py work_dirs/ssmr_swin_vaps/best.pth --cfg-options table.root=data/vaps
#   python tools/cross_validate.py configs/ssmr_swin_vaps.py --folds 5 --repeats 5 --cfg-options table.root=data/vaps
#
# Needs: VAPS (python tools/prepare_data.py vaps --root data/vaps says what to get); the weights of Swin-B (350 MB) and
#   VGG-16 (550 MB), downloaded at the first run, or --weights semantic=PATH --weights style=PATH.
# Expect: minutes, most of them for the features. There is no official split, and a test split of about a hundred works
#   tells little: report the cross-validation. What it scores is not verified.
_base_ = ['_base_/datasets/vaps.py', '_base_/swin_vgg.py', '_base_/default_runtime.py']

graph = dict(num_references=8, standardise=True)
model = dict(
    type='MultiReferenceAssessor',
    in_dim=1024,
    reasoner=dict(type='RelationGCN', dim=128, depth=1, variant='vsrn', readout='query', dropout=0.5),
    head=dict(type='ScoreHead', loss='smooth_l1'),
    reference_scores='residual',  # beyond the published SSMR, whose graph never sees a label
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=5)
# As in ssmr_efficientnet_csv.py: on few works plain gradient descent does better than Adam.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=20, convert_to_iter_based=True)]
