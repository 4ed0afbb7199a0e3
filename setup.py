"""The package: its dependencies by Python version, as ranges.

`requirements/` locks what these resolve to.
Python 3.10 gets TFX 1.16, the last whose wheels run with a glibc before 2.39; later
Pythons get TFX 1.21.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

BROAD = "python_version < '3.11'"
NEWEST = "python_version >= '3.11'"

CHECKOUT = Path(__file__).parent
# Read, as importing needs what is to be installed.
[VERSION] = re.findall(
    r'^__version__ = "(.+)"$', (CHECKOUT / "pipeline/__init__.py").read_text("utf-8"), re.MULTILINE
)

setup(
    name="fashion-mnist-pipeline",
    version=VERSION,
    description="A production TFX pipeline: Fashion-MNIST to a served TinyVGG",
    long_description=(CHECKOUT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=["deploy*", "pipeline*", "components*", "trainer_module*", "schema*"]
    ),
    package_data={
        "": ["py.typed"],
        "components.report": ["templates/*"],
        "deploy": ["compose.yaml", "monitoring.config", "*.service", "*.timer"],
        "pipeline.presets": ["*.toml"],
        "schema": ["*.pbtxt"],
    },
    entry_points={"console_scripts": ["tinyvgg = pipeline.__main__:main"]},
    install_requires=[
        "absl-py>=1.4",
        f"apache-beam>=2.60,<2.75; {BROAD}",
        f"apache-beam>=2.70,<3; {NEWEST}",
        # tfx-bsl 1.16 imports it without saying so.
        f"dill>=0.3.9; {BROAD}",
        "google-crc32c>=1.5",
        "grpcio>=1.60",
        "jinja2>=3.1",
        "keras>=3.12,<4",
        f"ml-metadata>=1.16,<1.17; {BROAD}",
        f"ml-metadata>=1.21,<1.22; {NEWEST}",
        "keras-tuner>=1.4.7,<2",
        "matplotlib>=3.9",
        "numpy>=1.26",
        "pandas>=1.5",
        "pillow>=11",
        # Beam calls it for what its workers are to install (`--requirements_file`).
        "pip>=24",
        "protobuf>=3.20",
        "pyarrow>=10",
        # It keeps pyarrow 10, the last that TFX 1.16 takes, from running what a file brings along.
        f"pyarrow-hotfix>=0.7; {BROAD}",
        "pydantic>=2.10,<3",
        "pydantic-core>=2.27,<3",
        "requests>=2.32,<3",
        "rich>=13.9",
        # TensorBoard 2.16 needs its pkg_resources, which is gone since 82.
        f"setuptools>=70.1,<81; {BROAD}",
        # TensorFlow 2.21 writes logs for it, but no longer brings it along.
        "tensorboard>=2.16",
        f"tensorflow>=2.16.2,<2.17; {BROAD}",
        f"tensorflow>=2.21,<2.22; {NEWEST}",
        f"tensorflow-data-validation>=1.16,<1.17; {BROAD}",
        f"tensorflow-data-validation>=1.21,<1.22; {NEWEST}",
        f"tensorflow-model-analysis>=0.47.1,<0.48; {BROAD}",
        f"tensorflow-model-analysis>=0.52,<0.53; {NEWEST}",
        "tensorflow-metadata>=1.16,<2",
        # tfx-bsl 1.21 takes none after 2.19.
        f"tensorflow-serving-api>=2.16,<2.17; {BROAD}",
        f"tensorflow-serving-api>=2.19,<3; {NEWEST}",
        f"tensorflow-transform>=1.16,<1.17; {BROAD}",
        f"tensorflow-transform>=1.21,<1.22; {NEWEST}",
        f"tfx>=1.16,<1.17; {BROAD}",
        f"tfx>=1.21,<1.22; {NEWEST}",
        f"tfx-bsl>=1.16,<1.17; {BROAD}",
        f"tfx-bsl>=1.21,<1.22; {NEWEST}",
        f"tomli>=2; {BROAD}",
        # Vega's scripts, for pages that need no network.
        "vl-convert-python>=1.9,<2",
    ],
    extras_require={
        "dev": [
            "hypothesis>=6",
            "mypy>=2",
            "packaging>=24",
            "playwright>=1.50,<2",
            "pytest>=8",
            "pytest-cov>=6",
            "pytest-xdist>=3.6",
            "pyyaml>=6",
            "ruff>=0.9",
            "scikit-learn>=1.5",
            "setuptools>=70.1",
        ],
        "formats": ["onnx>=1.17,<2", "onnxruntime>=1.16.3,<2", "tf2onnx>=1.17,<2"],
    },
)
