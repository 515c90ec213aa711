-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB
DROP TABLE IF EXISTS `node_counter`;
CREATE TABLE `node_counter` (
  `nid` int(10) unsigned NOT NULL DEFAULT 0 COMMENT 'The ID of the node for these statistics.',
  `totalcount` bigint(20) unsigned NOT NULL DEFAULT 0 COMMENT 'The total number of times the node has been viewed.',
  `daycount` int(10) unsigned NOT NULL DEFAULT 0,
  `timestamp` bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`nid`),
  KEY `totalcount` (`totalcount`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
LOCK TABLES `node_counter` WRITE;
/*!40000 ALTER TABLE `node_counter` DISABLE KEYS */;
INSERT INTO `node_counter` VALUES (1,45,2,1700000000),(2,7,0,1699990000),(9,3,0,1699980000);
UNLOCK TABLES;
CREATE TABLE `path_alias` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `revision_id` int(10) unsigned DEFAULT NULL,
  `uuid` varchar(128) CHARACTER SET ascii NOT NULL,
  `langcode` varchar(12) CHARACTER SET ascii NOT NULL,
  `path` varchar(255) DEFAULT NULL,
  `alias` varchar(255) DEFAULT NULL,
  `status` tinyint(4) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
INSERT INTO `path_alias` VALUES (1,1,'a','vi','/node/1','/gioi-thieu',1),(2,2,'b','vi','/node/2','/tin/cu',0);
