"""Do all that is missing: extract features, find references, train, validate."""

import argparse

from ssmr.cli import add_config_options, add_run_options, read_config, run, start_run


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument('--plan', action='store_true', help='print which stages are done and why others are not')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT', help='go on from the last (or this)')
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16)')
    parser.add_argument('--retrain', action='store_true', help='train even if the work folder holds the result already')
    args = parser.parse_args()
    cfg = read_config(args)
    start_run(args, cfg)
    from ssmr.engine.optim import amp_wrapper
    from ssmr.engine.ranks import print_once
    from ssmr.stages import pipeline
    from ssmr.stages.project import Project

    if args.amp:
        cfg.optim_wrapper.type = amp_wrapper()
    if args.resume:
        cfg.resume, cfg.load_from = True, None if args.resume == 'auto' else args.resume
    project = Project(cfg)
    print_once(pipeline.plan_text(pipeline.plan(project)))
    if not args.plan:
        checkpoint = pipeline.run(project, retrain=args.retrain or bool(args.resume))
        print_once(f'best checkpoint: {checkpoint}\nevaluate it: python tools/test.py {args.config} {checkpoint}')


if __name__ == '__main__':
    run(main)
