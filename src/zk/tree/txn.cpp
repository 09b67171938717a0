#include "zk/tree/txn.h"

namespace zk::tree {

namespace {

struct TypeOf {
  OpCode operator()(const CreateTxn& txn) const { return txn.type; }
  OpCode operator()(const DeleteTxn& txn) const { return txn.type; }
  OpCode operator()(const SetDataTxn& txn) const { return txn.type; }
  OpCode operator()(const SetAclTxn&) const { return OpCode::set_acl; }
  OpCode operator()(const CheckTxn&) const { return OpCode::check; }
  OpCode operator()(const CreateSessionTxn&) const { return OpCode::create_session; }
  OpCode operator()(const CloseSessionTxn&) const { return OpCode::close_session; }
  OpCode operator()(const ErrorTxn&) const { return OpCode::error; }
  OpCode operator()(const MultiTxn&) const { return OpCode::multi; }
};

}  // namespace

OpCode type_of(const TxnBody& body) { return std::visit(TypeOf{}, body); }
OpCode type_of(const SubTxn& txn) { return std::visit(TypeOf{}, txn); }

}  // namespace zk::tree
