# Any folder of rated images: labels.csv with the columns image, score and optionally split, and images/.
table = dict(type='CsvTable', root='data/works', labels='labels.csv', image_dir='images', scale=(0, 10), threshold=5.0)
