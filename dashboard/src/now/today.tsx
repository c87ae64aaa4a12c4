import { useToday } from "../feed/use-usage";
import { defaultCost } from "../text/address/cost-place";
import { costLink } from "../text/address/route";
import { cost, hasCost, plural } from "../text/format";

/** What today has cost, in one line. */
export function Today({ counting }: { counting: number }) {
  const usage = useToday();
  const total = usage?.total;
  if (!usage || !total) return null;
  const projects = usage.rows.filter((row) => row.project_dir !== null && hasCost(row.usage)).length;
  const where = projects > 0 ? ` in ${plural(projects, "project")}` : "";
  const still = counting > 0 ? `; ${plural(counting, "run")} still counting` : "";
  return (
    <p className="today">
      {`Today ${cost(total.usage)}${where}${still}. `}
      <a href={costLink({ ...defaultCost, span: "today" })}>→ Cost</a>
    </p>
  );
}
