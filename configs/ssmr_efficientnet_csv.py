# SSMR on any folder of rated images, with an encoder that needs no download.
#
#   python tools/train.py configs/ssmr_efficientnet_csv.py --cfg-options table.root=DIR table.scale='(1,9)'
#   python tools/test.py  configs/ssmr_efficientnet_csv.py work_dirs/ssmr_efficientnet_csv/best.pth --cfg-options ...
#
# Needs: DIR/labels.csv with the columns image, score and optionally split (train, val, test), and the images in
#   DIR/images; other names: table.labels, table.image_dir, table.image_column, table.score_column, table.split_column.
# Expect: about 25 images a second for the features on two CPU cores, then a few seconds an epoch for a thousand works.
#   With fewer than a thousand works, tools/cross_validate.py tells more than one split.
_base_ = ['_base_/datasets/csv.py', '_base_/efficientnet_lite0.py', '_base_/default_runtime.py']

graph = dict(num_references=8, standardise=True)
model = dict(
    type='MultiReferenceAssessor',
    reasoner=dict(type='RelationGCN', dim=128, depth=1, variant='vsrn', readout='query', dropout=0.5),
    head=dict(type='ScoreHead', loss='smooth_l1'),
    reference_scores='residual',  # beyond the published SSMR, whose graph never sees a label
)
train_dataloader = dict(batch_size=32)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=5)
# On a few hundred works plain gradient descent on standardised features does better than Adam, which gives the many
# noisy directions of a feature the same step as the few that matter.
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=20, convert_to_iter_based=True)]
