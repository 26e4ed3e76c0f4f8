SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true, defaultModelsExpandDepth: 0, docExpansion: "list" });
