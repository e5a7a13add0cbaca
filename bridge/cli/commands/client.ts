import { type Command, Option } from "commander";
import { SWITCHES } from "../../../actors/document_store/index_version.ts";
import { STRATEGIES } from "../../../actors/retriever/search.ts";
import type { CommandContext } from "../context.ts";
import { ensembleOption, fieldOfRole, jsonOption, jsonValue, ratio, wholeNumber } from "./options.ts";

export function describeClientCommands(program: Command, context: () => CommandContext, end: (exitCode: number) => void): void {
  program
    .command("ingest")
    .description("add files, folders and JSON lines to a collection; makes the collection when there is none")
    .argument("<collection>")
    .argument(
      "<paths...>",
      "text, Markdown, HTML, PDF, DOCX; .jsonl and .ndjson bring one document a line; https:// is fetched by the server, where it may",
    )
    .addOption(jsonOption())
    .action(async (collection, paths, options) => end(await (await import("../ingest.ts")).ingest(context(), collection, paths, options)));
  program
    .command("search")
    .description("ask a collection, or several at once")
    .argument("<collection>", "its name; several with commas")
    .argument("<query>")
    .addOption(new Option("--strategy <name>", "how to look").choices(STRATEGIES))
    .addOption(ensembleOption())
    .option("--top-k <count>", "hits wanted", wholeNumber, 10)
    .option("--filter <json>", 'only documents that match, as {"type":"eq","key":"lang","value":"en"}', jsonValue)
    .addOption(jsonOption())
    .action(async (collection, query, options) => end(await (await import("../search.ts")).search(context(), collection, query, options)));
  program
    .command("chat")
    .description("ask a question and read the answer, with what it cites")
    .argument("<collection>")
    .argument("<question>")
    .addOption(jsonOption())
    .action(async (collection, question, options) =>
      end(await (await import("../chat.ts")).chat(context(), collection, question, options)),
    );
  program
    .command("status")
    .description("show the tree of supervised actors")
    .option("--watch", "draw it anew every second", false)
    .addOption(jsonOption())
    .action(async (options) => end(await (await import("../status.ts")).status(context(), options)));
  program
    .command("warm")
    .description("bring collections' retrievers into memory before somebody asks")
    .argument("<collections...>")
    .addOption(jsonOption())
    .action(async (collections, options) => end(await (await import("../warm.ts")).warm(context(), collections, options)));
  program
    .command("reindex")
    .description("build a collection's index anew from its stored documents; the old one is searched meanwhile")
    .argument("<collection>")
    .option("--language <name>", "stemming and stop words of the new index; none: neither")
    .option("--embedding <name>", "the model of its vectors")
    .option("--chunking <json>", 'as {"max_tokens":128,"overlap_tokens":16,"parent_tokens":512}', jsonValue)
    .addOption(new Option("--switch <when>", "search the new build: unless it is worse, when told, or always").choices(SWITCHES))
    .option("--queries <file>", 'compare the two by judged queries, JSON lines of {"_id", "text"}; without, by what was asked most of late')
    .option("--qrels <file>", "query id, document id and grade on each line, with tabs between")
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("../reindex.ts")).reindex(context(), collection, options)));
  program
    .command("adopt")
    .description("search a collection of Milvus that is not Kennel's as it is; without --as only look, without a name list them")
    .argument("[foreign]", "its name in Milvus")
    .option("--as <collection>", "the collection to make of it")
    .addOption(new Option("--mode <mode>", "whether documents may be written into it").choices(["read_only", "read_write"]))
    .option("--field <role=field>", "what a field is for, as text=body; title= for none; may be repeated", fieldOfRole, {})
    .addOption(jsonOption())
    .action(async (foreign, options) => end(await (await import("../adopt.ts")).adopt(context(), foreign, options)));
  program
    .command("switch")
    .description("search the build of a collection that is held or kept from now on; the same again leads back")
    .argument("<collection>")
    .option("--to <version>", "the build, where it is to be a certain one", wholeNumber)
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("../switch.ts")).switchBuild(context(), collection, options)));
  program
    .command("eval")
    .description("judge a collection's answers: nDCG@10, MAP, MRR@10 and recall@100, each with its 95 % bootstrap interval")
    .argument("<collection>")
    .requiredOption("--queries <file>", 'JSON lines of {"_id", "text"}')
    .requiredOption("--qrels <file>", "query id, document id and grade on each line, with tabs between")
    .addOption(new Option("--strategy <names...>", "strategies to judge").choices([...STRATEGIES, "all"]).default(["hybrid"]))
    .addOption(ensembleOption())
    .option("--tune", "try fusion weights for hybrid and save the best one to the collection", false)
    .option("--min-ndcg <value>", "fail when the last strategy's nDCG@10 is lower", ratio)
    .option("--concurrency <count>", "queries at once", wholeNumber, 8)
    .addOption(jsonOption())
    .action(async (collection, options) => end(await (await import("../evaluate.ts")).evaluate(context(), collection, options)));
}
