#include <string>
#include <vector>

#include "broker/app/application.h"

int main(int count, char** arguments) { return broker::app::run({arguments + 1, arguments + count}); }
