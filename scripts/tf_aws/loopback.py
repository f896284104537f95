"""moto on a port of this machine, with `eks_gaps` in front. Run by .venv-moto's Python: `python loopback.py PORT`.

Apart from `__main__`, because moto's pins are kept out of the services' environment.
"""

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.tf_aws.eks_gaps import EksGaps


def main(port: int) -> None:
    # By name: the type checker's environment has no moto.
    moto = importlib.import_module("moto.moto_server.werkzeug_app")
    serving = importlib.import_module("werkzeug.serving")
    app = EksGaps(moto.DomainDispatcherApplication(moto.create_backend_app))
    serving.run_simple("127.0.0.1", port, app, threaded=True, request_handler=moto.MotoRequestHandler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
