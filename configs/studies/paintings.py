# Do references help, and which? Every kind of reference, label, reasoner and number of references, beside what needs
# none, on a small set of rated paintings.
#
#   OMP_NUM_THREADS=1 python tools/cross_validate.py configs/studies/paintings.py --folds 5 --repeats 5 --jobs 2 \
#       --against ridge ridge_two no_reference residual_random ensemble_two_no_reference ensemble_two_random \
#       --plot work_dirs/paintings/srcc.png --cfg-options table.root=DIR "table.scale=(1,9)"
#
# Needs: what configs/ssmr_efficientnet_csv.py needs; the column split is not used.
# Expect: about an hour for 500 works on two CPU cores; an interrupted run goes on. Figures: docs/results.md.
_base_ = ['../ssmr_efficientnet_csv.py']

encoders = dict(
    # A second node view: means and standard deviations of the channels at several depths, the picture whole and larger.
    statistics=dict(
        type='ChannelStatistics',
        backbone=dict(type='EfficientNetLite0', out_indices=[4, 5]),
        weights={{_base_.encoders.semantic.weights}},
        preprocess=dict(size=320, policy='squash', mean=[127.0] * 3, std=[128.0] * 3),
    )
)
_parts = [dict(type='CosineRetriever', view='semantic'), dict(type='GramRetriever', view='style')]
_semantic = dict(_delete_=True, type='CosineRetriever', view='semantic', num_references=50)
_style = dict(_delete_=True, type='GramRetriever', view='style', num_references=50)
_random = dict(_delete_=True, type='RandomRetriever', seed=0, num_references=50)
_far = dict(
    _delete_=True, type='MinIdGap', gap=10, num_references=50,
    retriever=dict(type='FusionRetriever', parts=_parts, weights=[0.5, 0.5], num_references=50),
)
_two = {
    'graph.view': ['semantic', 'statistics'],
    'retriever': dict(_delete_=True, type='CosineRetriever', view='statistics', num_references=50),
}
_inner = dict(type='RelationGCN', dim=128, depth=1, variant='vsrn', readout='query', dropout=0.5)
_alone = {'model.reasoner': dict(_delete_=True, type='NoReference', reasoner=_inner)}
_small = dict(dim=128, depth=1, readout='query', dropout=0.5)
_published = dict(variant='ssmr', depth=6, readout='flatten', dropout=0.0)


_pairwise = {
    'model.reference_scores': 'none',
    'model.reasoner.readout': 'pairs',
    'model.head': dict(_delete_=True, type='PairwiseHead'),
}


def _reasoner(name, **options):
    return {'model.reasoner': dict(_delete_=True, type=name, **_small, **options)}


def _ensemble(reasoner):
    head = dict(type='ScoreHead', loss='smooth_l1')
    member = dict(type='MultiReferenceAssessor', reasoner=reasoner, head=head, reference_scores='residual')
    return dict(_delete_=True, type='EnsembleAssessor', members=5, assessor=member)


arms = {
    # what needs no network
    'constant': {'baseline': 'constant'},
    'ids': {'baseline': 'ids'},  # the 16 nearest by the number in the file name: no picture is looked at
    'knn_4': {'baseline': 'knn', 'graph.num_references': 4},
    'knn_16': {'baseline': 'knn', 'graph.num_references': 16},
    'ridge': {'baseline': 'ridge'},
    'svr': {'baseline': 'svr'},
    # what the graph is told of the references' labels; eight references by semantics and style
    'no_reference': _alone,
    'published_form': {'model.reference_scores': 'none', 'graph.num_references': 4, 'model.reasoner': _published},
    'label_free': {'model.reference_scores': 'none'},
    'embed': {'model.reference_scores': 'embed'},
    'residual': {},
    'pairwise': _pairwise,
    # which references
    'residual_semantic': {'retriever': _semantic},
    'residual_style': {'retriever': _style},
    'residual_random': {'retriever': _random},
    'residual_id_gap': {'retriever': _far},  # none within ten numbers of the work
    'label_free_random': {'model.reference_scores': 'none', 'retriever': _random},
    # which reasoner
    'residual_gcn': _reasoner('GCN', edges='star'),
    'residual_gat': _reasoner('GAT', edges='full', heads=4),
    'residual_attention': _reasoner('CrossAttention', heads=4),
    'residual_mean': _reasoner('MeanPool'),
    # how many references
    'residual_k1': {'graph.num_references': 1},
    'residual_k2': {'graph.num_references': 2},
    'residual_k4': {'graph.num_references': 4},
    'residual_k16': {'graph.num_references': 16},
    'residual_k32': {'graph.num_references': 32},
    # two encoders; references by channel statistics
    'ridge_two': {'baseline': 'ridge', **_two},
    'svr_two': {'baseline': 'svr', **_two},
    'no_reference_two': {**_alone, **_two},
    'label_free_two': {'model.reference_scores': 'none', **_two},
    'residual_two': _two,
    'residual_two_random': {**_two, 'retriever': _random},
    'residual_two_mean': {**_two, **_reasoner('MeanPool')},
    'pairwise_two': {**_two, **_pairwise},
    'ensemble_two': {**_two, 'model': _ensemble(_inner)},
    'ensemble_two_random': {**_two, 'retriever': _random, 'model': _ensemble(_inner)},
    'ensemble_two_no_reference': {**_two, 'model': _ensemble(dict(type='NoReference', reasoner=_inner))},
}
