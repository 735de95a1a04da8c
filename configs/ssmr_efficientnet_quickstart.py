# The embedded default: works painted by a program, whose scores come from a stated model of taste (a stand-in with a
# known truth, see ssmr/datasets/procedural). Nothing is downloaded: the encoder's weights are a Python package.
#
#   make quickstart          or, step by step:
#   python tools/make_quickstart_data.py --out data/quickstart
#   python tools/train.py configs/ssmr_efficientnet_quickstart.py
#   python tools/test.py  configs/ssmr_efficientnet_quickstart.py work_dirs/ssmr_efficientnet_quickstart/best.pth
#
# Needs: ssmr[weights]. Expect: under three minutes on two CPU cores; figures in docs/results.md.
_base_ = ['_base_/efficientnet_lite0.py', '_base_/default_runtime.py']

table = dict(type='CsvTable', root='data/quickstart', scale=(0, 10), threshold=5.0, name='quickstart')
encoders = dict(semantic=dict(preprocess=dict(size=192)), style=dict(backbone=dict(out_indices=[3])))
retriever = dict(weights=[0.7, 0.3])
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
