# TAD66K: labels/merge/{train,test}.csv and images/. A share of the training works validates.
table = dict(type='TAD66K', root='data/tad66k', val_share=0.05)
