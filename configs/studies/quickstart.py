# How much of the known truth of the painted works each variant recovers: the part of scene and style, their
# interaction, and the rest.
#
#   OMP_NUM_THREADS=1 python tools/cross_validate.py configs/studies/quickstart.py --folds 0 --repeats 3 --jobs 2 \
#       --truth true_score --against no_reference ridge
#   python tools/recovered_components.py work_dirs/quickstart/predictions_*.csv --labels data/quickstart/labels.csv
#
# Needs: data/quickstart (tools/make_quickstart_data.py --out data/quickstart).
# Expect: a quarter of an hour on two CPU cores. Figures: docs/results.md.
_base_ = ['../ssmr_efficientnet_quickstart.py']

_random = dict(_delete_=True, type='RandomRetriever', seed=0, num_references=50)
_inner = dict(type='RelationGCN', dim=256, depth=1, variant='vsrn', readout='mean', dropout=0.5)
_small = dict(dim=256, depth=1, readout='query', dropout=0.5)

arms = {
    'constant': {'baseline': 'constant'},
    'knn_4': {'baseline': 'knn', 'graph.num_references': 4},
    'ridge': {'baseline': 'ridge'},
    'svr': {'baseline': 'svr'},
    'no_reference': {'model.reasoner': dict(_delete_=True, type='NoReference', reasoner=_inner)},
    'random': {'retriever': _random},
    'label_free': {'model.reference_scores': 'none'},
    'embed': {},
    'residual': {'model.reference_scores': 'residual'},
    'semantic_only': {
        'retriever': dict(_delete_=True, type='CosineRetriever', view='semantic', num_references=50)
    },
    'style_only': {'retriever': dict(_delete_=True, type='GramRetriever', view='style', num_references=50)},
    'gcn': {'model.reasoner': dict(_delete_=True, type='GCN', edges='full', **_small)},
    'gat': {'model.reasoner': dict(_delete_=True, type='GAT', edges='full', heads=4, **_small)},
    'attention': {'model.reasoner': dict(_delete_=True, type='CrossAttention', heads=4, **_small)},
    'mean_pool': {'model.reasoner': dict(_delete_=True, type='MeanPool', **_small)},
}
