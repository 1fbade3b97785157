#pragma once
int same_content();
