from setuptools import find_packages
from setuptools import setup

setup(
    name="wsgifutures_demo",
    version="1.0.0",
    description="Pages that hold: a demo of collective.wsgifutures",
    license="GPL-2.0-or-later",
    packages=find_packages("src"),
    package_dir={"": "src"},
    include_package_data=True,
    zip_safe=False,
    python_requires=">=3.11,<3.14",
    install_requires=["collective.wsgifutures", "gevent", "Products.CMFPlone", "requests"],
    entry_points={"plone.autoinclude.plugin": ["target = plone"]},
)
