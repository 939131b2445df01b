# syntax=docker/dockerfile:1
# The base brings Node, so the pinned one (an optional dependency) stays out of the image.
ARG BASE=node:26-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY src ./src
COPY allowlist ./allowlist
COPY LICENSE ./
# Compiled code is kept by the user that makes it: warm the cache as the user that runs it, then make it read-only.
RUN install -d -o node node_modules/.cache \
    && su node -s /bin/sh -c 'node src/lockdown-proxy.js version' \
    && chown -R root:root node_modules/.cache

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
# Where a configuration is looked for, what the proxy keeps between starts, and where its own commands ask it: the two
# last are written to, so they are volumes and the rest may be read-only.
RUN install -d /etc/lockdown-proxy && install -d -o node -m 0700 /var/lib/lockdown-proxy \
    && install -d -o node /run/lockdown-proxy
VOLUME ["/var/lib/lockdown-proxy", "/run/lockdown-proxy"]
USER node
EXPOSE 3128
STOPSIGNAL SIGTERM
# Alive means: the running proxy answers, wherever its configuration has it listen.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["node", "src/lockdown-proxy.js", "status"]
ENTRYPOINT ["node", "src/lockdown-proxy.js"]
CMD ["serve"]
