# SSMR on AVA: the network of ssmr_swin_baid.py predicts the shares of the votes from 1 to 10, learned with the earth
# mover's distance; the score is their mean.
#
#   python tools/train.py configs/ssmr_swin_ava.py --cfg-options table.root=data/ava
#   python tools/test.py  configs/ssmr_swin_ava.py work_dirs/ssmr_swin_ava/best.pth --cfg-options table.root=data/ava
#
# Needs: AVA with the list of the works that test (python tools/prepare_data.py ava --root data/ava says what to get; for
#   another list table.test_list=FILE); the weights of Swin-B (350 MB) and VGG-16 (550 MB), downloaded at the first run,
#   or --weights semantic=PATH --weights style=PATH.
# Expect: the features of 255,500 works once (hours on one GPU), the references in minutes, then 10 epochs. What it
#   scores is not verified; figures compare only with others on the same list.
_base_ = ['_base_/datasets/ava.py', '_base_/swin_vgg.py', '_base_/ssmr.py', '_base_/default_runtime.py']

model = dict(head=dict(_delete_=True, type='DistributionHead', bins=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], emd_norm=2))
train_dataloader = dict(batch_size=256)
train_cfg = dict(max_epochs=10)
