"""What pyproject.toml cannot say: the experiments' cases lie at the top of a checkout and inside an installation."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithCases(build_py):
    """Copies ``experiments/**/*.toml`` to where `synthvae.experiments.cases` looks for them."""

    def run(self) -> None:
        """Build, and copy."""
        super().run()
        if self.editable_mode:
            return
        source = Path(__file__).parent / "experiments"
        for path in [*source.glob("*.toml"), *source.glob("base/*.toml")]:
            copy = Path(self.build_lib, "synthvae", "experiments", "overlays", path.relative_to(source))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithCases})
