# BAID, in its authors' layout: images/<id>.jpg and dataset/{train,val,test}_set.csv.
table = dict(type='BAID', root='data/baid')
