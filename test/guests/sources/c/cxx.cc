#include <iostream>
#include <map>
#include <string>
struct Loud { Loud() { std::cout << "static" << std::endl; } } loud;
int main() { std::map<std::string,int> m; m["a"]=1; std::cout << "c++ " << m["a"] << std::endl; return 0; }
