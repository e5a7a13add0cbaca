import { aliasRoutes } from "./alias_routes.ts";
import { chatRoutes } from "./chat_routes.ts";
import { rerankRoutes } from "./cohere/rerank_routes.ts";
import { collectionRoutes } from "./collection_routes.ts";
import { retrievalRoutes } from "./dify/retrieval_routes.ts";
import { documentRoutes } from "./document_routes.ts";
import { evaluationRoutes } from "./evaluation_routes.ts";
import { flagRoutes } from "./flag_routes.ts";
import { foreignCollectionRoutes } from "./foreign_collection_routes.ts";
import { jobRoutes } from "./job_routes.ts";
import { mcpRoutes } from "./mcp/mcp_routes.ts";
import { modeRoutes } from "./mode_routes.ts";
import { embeddingRoutes } from "./openai/embedding_routes.ts";
import { fileRoutes } from "./openai/file_routes.ts";
import { modelRoutes } from "./openai/model_routes.ts";
import { vectorStoreFileRoutes } from "./openai/vector_store_files.ts";
import { vectorStoreRoutes } from "./openai/vector_store_routes.ts";
import { vectorStoreSearchRoutes } from "./openai/vector_store_search.ts";
import { operationRoutes } from "./operation_routes.ts";
import type { BridgeParts } from "./parts.ts";
import { reindexRoutes } from "./reindex_routes.ts";
import type { Route } from "./route.ts";
import { searchAcrossRoutes } from "./search_across_routes.ts";
import type { SearchBodies } from "./search_bodies.ts";
import { searchRoutes } from "./search_routes.ts";
import { upkeepRoutes } from "./upkeep_routes.ts";
import { urlRoutes } from "./url_routes.ts";

/** The routes that work with what is stored; always the same ones in the same order. */
export function routesOf(parts: BridgeParts & { readonly bodies: SearchBodies }): readonly Route[] {
  return [
    ...collectionRoutes(parts),
    ...foreignCollectionRoutes(parts),
    ...reindexRoutes(parts),
    ...documentRoutes(parts),
    ...urlRoutes(parts),
    ...jobRoutes(parts),
    ...searchRoutes(parts),
    ...searchAcrossRoutes(parts),
    ...evaluationRoutes(parts),
    ...chatRoutes(parts),
    ...aliasRoutes(parts),
    ...modelRoutes(parts),
    ...embeddingRoutes(parts),
    ...vectorStoreRoutes(parts),
    ...vectorStoreSearchRoutes(parts),
    ...fileRoutes(parts),
    ...vectorStoreFileRoutes(parts),
    ...mcpRoutes(parts),
    ...rerankRoutes(parts),
    ...retrievalRoutes(parts),
    ...operationRoutes(parts),
    ...modeRoutes(parts),
    ...upkeepRoutes(parts),
    ...flagRoutes(parts),
  ];
}
