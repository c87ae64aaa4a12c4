import { expect, test } from "vitest";
import { answerText, answerWords, isSameAnswer, questionOf, subjectOf } from "../src/question";

test("any fields become a question", () => {
  for (const value of [null, 7, "x", [], [[]], [null], {}, [{ options: 7 }]]) {
    const fields = { title: value, choices: value, items: value, tool_input: value, answers: value };
    expect(typeof subjectOf(questionOf(fields))).toBe("string");
    expect(typeof answerText(fields)).toBe("string");
  }
});

test("the subject is the title, the first question, or the call", () => {
  const call = { tool_name: "Bash", tool_input: { command: "ls" } };
  expect(subjectOf(questionOf({ ...call, title: "Run it" }))).toBe("Run it");
  expect(subjectOf(questionOf(call))).toBe("Bash: ls");
  expect(subjectOf(questionOf({ items: [{ id: "a", text: "Where?" }] }))).toBe("Where?");
});

test("an answer is shown by its label or its texts", () => {
  const question = questionOf({ choices: [{ id: "y", kind: "allow", label: "Allow once" }] });
  expect(answerWords(question, { choice: "y" })).toBe("Allow once");
  expect(answerWords(question, { answers: { a: ["x", "y"], b: ["z"] } })).toBe("x, y, z");
});

test("two answers are the same whatever the order of their fields", () => {
  expect(isSameAnswer({ choice: "y", text: "t" }, { text: "t", choice: "y" })).toBe(true);
  expect(isSameAnswer({ choice: "y" }, { choice: "n" })).toBe(false);
  const answers = { answers: { a: ["1"] } };
  expect(isSameAnswer(answers, { answers: { a: ["1"] } })).toBe(true);
  expect(isSameAnswer(answers, { answers: { a: ["2"] } })).toBe(false);
});
