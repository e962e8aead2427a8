-- The databases of compose.yaml, made when PostgreSQL starts on an empty volume. `anuma` itself is made by the image.
CREATE DATABASE anuma_workflows;
CREATE DATABASE anuma_gateway;
CREATE DATABASE anuma_gateway_keys;
