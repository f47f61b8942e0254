import { expect, test } from "vitest";
import { csv } from "./csv.ts";

test.each([
  ["numbers as they are, and nothing where there is none", [1, -2.5, null], "1,-2.5,"],
  ["quotes around what has commas, quotes and line ends", ["a,b", 'say "x"', "c\nd"], '"a,b","say ""x""","c\nd"'],
  ["no formula", ["=1+1", "+1", "-1", "@x", "\t=1"], "'=1+1,'+1,'-1,'@x,'\t=1"],
])("%s", (_name, cells, line) => expect(csv(["h"], [cells])).toBe(`h\r\n${line}\r\n`));
