CREATE TABLE `wp_statistics_visit` (
  `ID` bigint(40) NOT NULL AUTO_INCREMENT,
  `last_visit` datetime NOT NULL,
  `last_counter` date NOT NULL,
  `visit` int(10) NOT NULL,
  PRIMARY KEY (`ID`),
  UNIQUE KEY `unique_date` (`last_counter`)
) ENGINE=InnoDB;
INSERT INTO `wp_statistics_visit` VALUES (1,'2023-03-01 10:00:00','2023-03-01',10),(2,'2023-03-02 10:00:00','2023-03-02',4);
CREATE TABLE `wp_statistics_visitor` (
  `ID` bigint(40) NOT NULL AUTO_INCREMENT,
  `last_counter` date NOT NULL,
  `referred` text NOT NULL,
  `agent` varchar(180) NOT NULL,
  `ip` varchar(60) NOT NULL,
  `hits` int(11) DEFAULT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
INSERT INTO `wp_statistics_visitor` (`ID`, `last_counter`, `referred`, `agent`, `ip`, `hits`) VALUES
(1,'2023-03-01','https://example.org/','Chrome','#hash1#',6),
(2,'2023-03-01','','Firefox','#hash2#',4),
(3,'2023-03-02','','Chrome','#hash1#',4);
CREATE TABLE `wp_statistics_pages` (
  `page_id` bigint(20) NOT NULL AUTO_INCREMENT,
  `uri` varchar(190) NOT NULL,
  `type` varchar(180) NOT NULL,
  `date` date NOT NULL,
  `count` int(11) NOT NULL,
  `id` int(11) NOT NULL,
  PRIMARY KEY (`page_id`)
) ENGINE=InnoDB;
INSERT INTO `wp_statistics_pages` VALUES (1,'/','home','2023-03-01',7,0),(2,'/chao/','post','2023-03-01',3,5),(3,'/chao/','post','2023-03-02',4,5);
CREATE TABLE `wp_statistics_historical` (
  `ID` bigint(20) NOT NULL AUTO_INCREMENT,
  `category` varchar(25) NOT NULL,
  `page_id` bigint(20) NOT NULL,
  `uri` varchar(190) NOT NULL,
  `value` bigint(20) NOT NULL,
  PRIMARY KEY (`ID`)
) ENGINE=InnoDB;
INSERT INTO `wp_statistics_historical` VALUES (1,'visits',-1,'-1',1000),(2,'visitors',-2,'-2',400),(3,'uri',5,'/chao/',90);
