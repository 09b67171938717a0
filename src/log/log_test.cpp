#include "log/log.h"

#include <gtest/gtest.h>

#include "log/log_manager.h"
