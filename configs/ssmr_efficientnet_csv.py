# SSMR on any folder of rated images, with an encoder that needs no download.
#
#   python tools/train.py configs/ssmr_efficientnet_csv.py --cfg-options table.root=DIR table.scale='(1,9)'
#   python tools/test.py  configs/ssmr_efficientnet_csv.py work_dirs/ssmr_efficientnet_csv/best.pth --cfg-options ...
#
# Needs: DIR/labels.csv with the columns image, score and optionally split (train, val, test), and the images in
#   DIR/images; other names: table.labels, table.image_dir, table.image_column, table.score_column, table.split_column.
# Expect: about 25 images a second for the features on two CPU cores, then a few seconds an epoch for a thousand works.
_base_ = ['_base_/efficientnet_lite0.py', '_base_/small_gcn.py', '_base_/default_runtime.py']

table = dict(type='CsvTable', root='data/works', labels='labels.csv', image_dir='images', scale=(0, 10), threshold=5.0)
