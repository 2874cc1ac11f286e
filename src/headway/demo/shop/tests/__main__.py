"""Runs all tests: `python3 -m tests --junitxml report.xml`. Exit code 1 when one fails."""

import argparse
import sys
import time
import traceback
import unittest
from types import TracebackType
from xml.etree import ElementTree

ErrorInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Result(unittest.TextTestResult):
    """As unittest prints it, and each case kept for the report."""

    cases: list[ElementTree.Element]
    began: float

    def startTestRun(self) -> None:
        self.cases = []

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.began = time.perf_counter()
        suite, _, name = test.id().rpartition(".")
        self.cases.append(ElementTree.Element("testcase", classname=suite, name=name))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self.cases[-1].set("time", f"{time.perf_counter() - self.began:.4f}")

    def addFailure(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        super().addFailure(test, err)
        self.note("failure", err)

    def addError(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        super().addError(test, err)
        self.note("error", err)

    def note(self, kind: str, err: ErrorInfo) -> None:
        element = ElementTree.SubElement(self.cases[-1], kind, message=str(err[1]))
        element.text = "".join(traceback.format_exception(*err))


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests")
    parser.add_argument("--junitxml", default="report.xml")
    arguments = parser.parse_args()
    suite = unittest.defaultTestLoader.discover("tests", top_level_dir=".")
    result = unittest.TextTestRunner(resultclass=Result, stream=sys.stdout).run(suite)
    root = ElementTree.Element("testsuite", name="shop", tests=str(result.testsRun))
    root.extend(result.cases)
    ElementTree.ElementTree(root).write(arguments.junitxml, encoding="utf-8", xml_declaration=True)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
